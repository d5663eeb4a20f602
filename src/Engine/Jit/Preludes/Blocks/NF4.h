/* 64 elements in 36 bytes: fp32 largest magnitude, 32 bytes of two codes each, the high nibble first; level·magnitude. */
GLOBAL_CONSTANT float normal_levels[16] =
{
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f
};

FUNCTION float4 load4_NF4(GLOBAL_BYTES p, int i)
{
    uint codes;
    p += ((uint)i >> 6) * 36u;
    codes = bytes2(p + 4 + (((uint)i & 63u) >> 1));
    return make_f4(normal_levels[codes >> 4 & 15u], normal_levels[codes & 15u], normal_levels[codes >> 12], normal_levels[codes >> 8 & 15u]) * as_float(bytes4_whole(p));
}

BLOCK_ELEMENT(NF4)


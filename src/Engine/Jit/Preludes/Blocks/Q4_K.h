/* 256 elements in 144 bytes: fp16 d and dmin, 12 bytes of scales and minima of 32 elements each, 128 bytes of codes: the low nibbles of 32 bytes, then the high ones; (d·scale)·code - dmin·minimum. */
FUNCTION float4 load4_Q4_K(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u, part, codes;
    p += ((uint)i >> 8) * 144u;
    part = scale_and_minimum(p + 4, e >> 5);
    codes = bytes4_whole(p + 16 + (e >> 6 << 5) + (e & 31u)) >> (e >> 3 & 4u) & 0x0f0f0f0fu;
    return bytes_to_f32(codes) * (half_at(p) * (float)(part & 255u)) - half_at(p + 2) * (float)(part >> 8);
}

BLOCK_ELEMENT(Q4_K)


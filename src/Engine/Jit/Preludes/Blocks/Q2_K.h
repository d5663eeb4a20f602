/* 256 elements in 84 bytes: 16 bytes of a scale (low nibble) and a minimum for 16 elements each, 64 bytes of four codes each, fp16 d and dmin; (d·scale)·code - dmin·minimum. */
FUNCTION float4 load4_Q2_K(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u, part, codes;
    p += ((uint)i >> 8) * 84u;
    part = p[e >> 4];
    codes = bytes4_whole(p + 16 + (e >> 7 << 5) + (e & 31u)) >> (e >> 4 & 6u) & 0x03030303u;
    return bytes_to_f32(codes) * (half_at(p + 80) * (float)(part & 15u)) - half_at(p + 82) * (float)(part >> 4);
}

BLOCK_ELEMENT(Q2_K)


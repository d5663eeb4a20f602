/* 256 elements in 176 bytes: as Q4_K with 32 bytes of fifth bits before the codes, bit j of byte l for element 32j + l. */
FUNCTION float4 load4_Q5_K(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u, part, codes;
    p += ((uint)i >> 8) * 176u;
    part = scale_and_minimum(p + 4, e >> 5);
    codes = (bytes4_whole(p + 48 + (e >> 6 << 5) + (e & 31u)) >> (e >> 3 & 4u) & 0x0f0f0f0fu) | (bytes4_whole(p + 16 + (e & 31u)) >> (e >> 5) & 0x01010101u) << 4;
    return bytes_to_f32(codes) * (half_at(p) * (float)(part & 255u)) - half_at(p + 2) * (float)(part >> 8);
}

BLOCK_ELEMENT(Q5_K)


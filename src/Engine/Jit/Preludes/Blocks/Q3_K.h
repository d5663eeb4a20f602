/* 256 elements in 110 bytes: 32 bytes of third bits, 64 bytes of four codes' lower bits each, 12 bytes of 16 six-bit scales, fp16 d; (d·(scale - 32))·(code - 4). */
FUNCTION float4 load4_Q3_K(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u, part = e >> 4, low, high, codes;
    p += ((uint)i >> 8) * 110u;
    low = p[96u + (part & 7u)] >> (part >> 1 & 4u) & 15u;
    high = p[104u + (part & 3u)] >> (part >> 2 << 1) & 3u;
    codes = (bytes4(p + 32 + (e >> 7 << 5) + (e & 31u)) >> (e >> 4 & 6u) & 0x03030303u) | (bytes4(p + (e & 31u)) >> (e >> 5) & 0x01010101u) << 2;
    return (bytes_to_f32(codes) - 4.0f) * (half_at(p + 108) * (float)((int)(low | high << 4) - 32));
}

BLOCK_ELEMENT(Q3_K)


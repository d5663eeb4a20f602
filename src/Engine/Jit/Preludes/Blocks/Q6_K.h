/* 256 elements in 210 bytes: 128 bytes of nibbles, 64 bytes of four codes' upper bits each, 16 signed scales, fp16 d; (d·scale)·(code - 32). */
FUNCTION float4 load4_Q6_K(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u, half_ = e >> 7, quarter = e >> 5 & 3u, l = e & 31u, codes;
    float scale;
    p += ((uint)i >> 8) * 210u;
    scale = half_at(p + 208) * (float)((int)((uint)p[192u + (e >> 4)] << 24) >> 24);
    codes = (bytes4(p + 64u * half_ + 32u * (quarter & 1u) + l) >> (quarter >> 1 << 2) & 0x0f0f0f0fu)
        | (bytes4(p + 128u + 32u * half_ + l) >> 2u * quarter & 0x03030303u) << 4;
    return (bytes_to_f32(codes) - 32.0f) * scale;
}

BLOCK_ELEMENT(Q6_K)


/* 256 elements in 136 bytes: fp16 d, the upper two bits of 8 scales, 4 bytes of their nibbles, and for each scale 16 bytes of codes as in IQ4_NL; (d·(scale - 32))·level. */
FUNCTION float4 load4_IQ4_XS(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u, part = e >> 5, scale;
    p += ((uint)i >> 8) * 136u;
    scale = (p[4u + (part >> 1)] >> 4u * (part & 1u) & 15u) | (bytes2(p + 2) >> 2u * part & 3u) << 4;
    return uneven_levels(bytes4_whole(p + 8 + 16u * part + (e & 15u)) >> (e >> 2 & 4u)) * (half_at(p) * (float)((int)scale - 32));
}

BLOCK_ELEMENT(IQ4_XS)


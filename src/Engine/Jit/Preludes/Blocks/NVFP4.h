/* 64 elements in 36 bytes: four scales (8-bit floats without a sign, 4 bits of exponent), then 8 bytes of 4-bit floats for each 16 elements, held as twice their value; low nibbles come first. */
FUNCTION float4 load4_NVFP4(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 63u, part = e >> 4, scale, exponent;
    float d;
    p += ((uint)i >> 6) * 36u;
    scale = p[part];
    exponent = scale >> 3 & 15u;
    /* Half the scale: m·2^-10, or (1 + m/8)·2^(exponent - 8). */
    d = exponent == 0u ? (float)(scale & 7u) * as_float(117u << 23) : as_float((exponent + 119u) << 23 | (scale & 7u) << 20);
    if (scale == 127u)
        d = 0.0f;
    return float_levels(bytes4_whole(p + 4 + 8u * part + (e & 7u)) >> (e >> 1 & 4u)) * d;
}

BLOCK_ELEMENT(NVFP4)


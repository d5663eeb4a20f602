/* 32 elements in 17 bytes, so that nothing is aligned: the exponent of a power of two, 16 bytes of 4-bit floats as in Q4_0, held as twice their value. */
FUNCTION float4 load4_MXFP4(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 31u, power, codes;
    p += ((uint)i >> 5) * 17u;
    power = p[0];
    power = power < 2u ? 0x00200000u << power : (power - 1u) << 23;
    p += 1u + (e & 15u);
    codes = (uint)p[0] | (uint)p[1] << 8 | (uint)p[2] << 16 | (uint)p[3] << 24;
    return float_levels(codes >> (e >> 2 & 4u)) * as_float(power);
}

BLOCK_ELEMENT(MXFP4)


/* 32 elements in 18 bytes: as Q4_0, with codes that name uneven levels; d·level. */
FUNCTION float4 load4_IQ4_NL(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 31u;
    p += ((uint)i >> 5) * 18u;
    return uneven_levels(bytes4(p + 2 + (e & 15u)) >> (e >> 2 & 4u)) * half_at(p);
}

BLOCK_ELEMENT(IQ4_NL)


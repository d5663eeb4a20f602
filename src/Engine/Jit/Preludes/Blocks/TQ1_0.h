/* 256 elements in 54 bytes: 48 bytes of five trits each (32 and 16 in turn), 4 bytes of four, fp16 d; (trit - 1)·d. A byte times 3^n, cut to eight bits, times 3 has trit n above bit 8. */
FUNCTION float trit_of(uint byte, uint n)
{
    uint power = (n & 1u ? 3u : 1u) * (n & 2u ? 9u : 1u) * (n & 4u ? 81u : 1u);
    return (float)((byte * power & 255u) * 3u >> 8);
}

FUNCTION float4 load4_TQ1_0(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u, n, v;
    p += ((uint)i >> 8) * 54u;
    n = e < 160u ? e >> 5 : e < 240u ? (e - 160u) >> 4 : (e - 240u) >> 2;
    v = bytes4(p + (e < 160u ? e & 31u : e < 240u ? 32u + (e & 15u) : 48u));
    return (make_f4(trit_of(v & 255u, n), trit_of(v >> 8 & 255u, n), trit_of(v >> 16 & 255u, n), trit_of(v >> 24, n)) - 1.0f) * half_at(p + 52);
}

BLOCK_ELEMENT(TQ1_0)


/* 32 elements in 22 bytes: fp16 d, a word of fifth bits, 16 bytes of nibbles as in Q4_0; (code - 16)·d. */
FUNCTION float4 load4_Q5_0(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 31u;
    p += ((uint)i >> 5) * 22u;
    return (bytes_to_f32((bytes4(p + 6 + (e & 15u)) >> (e >> 2 & 4u) & 0x0f0f0f0fu) | spread_bits(bytes4(p + 2) >> e) << 4) - 16.0f) * half_at(p);
}

BLOCK_ELEMENT(Q5_0)


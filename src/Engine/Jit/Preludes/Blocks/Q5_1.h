/* 32 elements in 24 bytes: fp16 d and m, a word of fifth bits, 16 bytes of nibbles as in Q4_0; code·d + m. */
FUNCTION float4 load4_Q5_1(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 31u;
    p += ((uint)i >> 5) * 24u;
    return bytes_to_f32((bytes4_whole(p + 8 + (e & 15u)) >> (e >> 2 & 4u) & 0x0f0f0f0fu) | spread_bits(bytes4_whole(p + 4) >> e) << 4) * half_at(p) + half_at(p + 2);
}

BLOCK_ELEMENT(Q5_1)


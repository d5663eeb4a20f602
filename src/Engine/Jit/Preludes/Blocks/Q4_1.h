/* 32 elements in 20 bytes: fp16 d and m, 16 bytes of codes as in Q4_0; code·d + m. */
FUNCTION float4 load4_Q4_1(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 31u;
    p += ((uint)i >> 5) * 20u;
    return bytes_to_f32(bytes4_whole(p + 4 + (e & 15u)) >> (e >> 2 & 4u) & 0x0f0f0f0fu) * half_at(p) + half_at(p + 2);
}

BLOCK_ELEMENT(Q4_1)


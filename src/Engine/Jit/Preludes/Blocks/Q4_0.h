/* 32 elements in 18 bytes: fp16 d, 16 bytes of codes of which the low nibbles come first; (code - 8)·d. */
FUNCTION float4 load4_Q4_0(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 31u;
    p += ((uint)i >> 5) * 18u;
    return (bytes_to_f32(bytes4(p + 2 + (e & 15u)) >> (e >> 2 & 4u) & 0x0f0f0f0fu) - 8.0f) * half_at(p);
}

BLOCK_ELEMENT(Q4_0)


/* 32 elements in 36 bytes: fp16 d and d times the sum of the codes, 32 signed codes; code·d. */
FUNCTION float4 load4_Q8_1(GLOBAL_BYTES p, int i)
{
    p += ((uint)i >> 5) * 36u;
    return signed_bytes_to_f32(bytes4_whole(p + 4 + ((uint)i & 31u))) * half_at(p);
}

BLOCK_ELEMENT(Q8_1)


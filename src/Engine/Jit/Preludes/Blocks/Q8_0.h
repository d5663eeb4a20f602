/* 32 elements in 34 bytes: fp16 d, 32 signed codes; code·d. */
FUNCTION float4 load4_Q8_0(GLOBAL_BYTES p, int i)
{
    p += ((uint)i >> 5) * 34u;
    return signed_bytes_to_f32(bytes4(p + 2 + ((uint)i & 31u))) * half_at(p);
}

BLOCK_ELEMENT(Q8_0)


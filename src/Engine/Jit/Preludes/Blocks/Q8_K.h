/* 256 elements in 292 bytes: fp32 d, 256 signed codes, 16 sums of them; d·code. */
FUNCTION float4 load4_Q8_K(GLOBAL_BYTES p, int i)
{
    p += ((uint)i >> 8) * 292u;
    return signed_bytes_to_f32(bytes4_whole(p + 4 + ((uint)i & 255u))) * as_float(bytes4_whole(p));
}

BLOCK_ELEMENT(Q8_K)


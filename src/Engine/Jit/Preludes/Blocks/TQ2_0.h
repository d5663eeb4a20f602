/* 256 elements in 66 bytes: 64 bytes of four codes each, 32 bytes for 128 elements, fp16 d; (code - 1)·d. */
FUNCTION float4 load4_TQ2_0(GLOBAL_BYTES p, int i)
{
    uint e = (uint)i & 255u;
    p += ((uint)i >> 8) * 66u;
    return (bytes_to_f32(bytes4(p + (e >> 7 << 5) + (e & 31u)) >> (e >> 4 & 6u) & 0x03030303u) - 1.0f) * half_at(p + 64);
}

BLOCK_ELEMENT(TQ2_0)


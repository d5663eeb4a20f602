/* What the functions that decode blocks share, for CUDA C++ and OpenCL C alike; spec/formats.md §3.2 has the formulas.
   load4_T gives elements i to i + 3 of a row of blocks of type T, i a multiple of four; load_T gives one. All are little-endian.
   The text before gives FUNCTION, GLOBAL_BYTES and GLOBAL_CONSTANT. Blocks of an even number of bytes start at even places. */
#ifdef __OPENCL_VERSION__
#define WORDS_AT(p) ((__global const ushort*)(p))
#define LONG_WORDS_AT(p) ((__global const uint*)(p))
#else
#define WORDS_AT(p) ((const ushort*)(p))
#define LONG_WORDS_AT(p) ((const uint*)(p))
#endif

#define BLOCK_ELEMENT(type) \
FUNCTION float load_##type(GLOBAL_BYTES p, int i) { return element_of(load4_##type(p, i & ~3), i & 3); }

FUNCTION float element_of(float4 v, int i) { return i & 2 ? (i & 1 ? v.w : v.z) : (i & 1 ? v.y : v.x); }

/* Two bytes at an even place. */
FUNCTION uint bytes2(GLOBAL_BYTES p) { return *WORDS_AT(p); }

/* Four bytes at an even place, and at a multiple of four. */
FUNCTION uint bytes4(GLOBAL_BYTES p) { return bytes2(p) | bytes2(p + 2) << 16; }
FUNCTION uint bytes4_whole(GLOBAL_BYTES p) { return *LONG_WORDS_AT(p); }

FUNCTION float half_at(GLOBAL_BYTES p) { return f16_to_f32(*WORDS_AT(p)); }

/* The bytes of a word as numbers, without and with a sign. */
FUNCTION float4 bytes_to_f32(uint v) { return make_f4((float)(v & 255u), (float)(v >> 8 & 255u), (float)(v >> 16 & 255u), (float)(v >> 24)); }
FUNCTION float4 signed_bytes_to_f32(uint v) { return make_f4((float)((int)(v << 24) >> 24), (float)((int)(v << 16) >> 24), (float)((int)(v << 8) >> 24), (float)((int)v >> 24)); }

/* The lowest four bits, one in each byte. */
FUNCTION uint spread_bits(uint v) { return (v & 1u) | (v & 2u) << 7 | (v & 4u) << 14 | (v & 8u) << 21; }

/* Entries of a table of sixteen signed bytes: four indices lie in the bytes of a word. */
FUNCTION float signed_entry(ulong64 low, ulong64 high, uint i) { return (float)((int)((uint)((i & 8u ? high : low) >> 8 * (i & 7u)) << 24) >> 24); }
FUNCTION float4 signed_entries(ulong64 low, ulong64 high, uint v)
{
    return make_f4(signed_entry(low, high, v & 15u), signed_entry(low, high, v >> 8 & 15u), signed_entry(low, high, v >> 16 & 15u), signed_entry(low, high, v >> 24 & 15u));
}

/* The levels of IQ4_NL and IQ4_XS: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113. */
FUNCTION float4 uneven_levels(uint v) { return signed_entries((ulong64)0xf6eaddcfu << 32 | 0xbfad9881u, (ulong64)0x71594535u << 32 | 0x26190d01u, v); }

/* Scale (low byte) and minimum (next byte) of part j of the twelve bytes that Q4_K and Q5_K pack eight pairs of six bits into. */
FUNCTION uint scale_and_minimum(GLOBAL_BYTES p, uint j)
{
    uint at = j & 3u, a = p[at], b = p[at + 4u], c = p[at + 8u];
    return j < 4u ? (a & 63u) | (b & 63u) << 8 : (c & 15u) | a >> 6 << 4 | (c >> 4 | b >> 6 << 4) << 8;
}

/* Twice the values of 4-bit floats: 0 1 2 3 4 6 8 12 and their negatives. */
FUNCTION float4 float_levels(uint v) { return signed_entries((ulong64)0x0c080604u << 32 | 0x03020100u, (ulong64)0xf4f8fafcu << 32 | 0xfdfeff00u, v); }


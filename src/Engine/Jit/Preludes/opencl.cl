// Conversions, group reductions and matrix tiles for kernels in OpenCL C 1.2.
typedef long long64;
typedef ulong ulong64;

static inline float4 make_f4(float x, float y, float z, float w) { return (float4)(x, y, z, w); }

static inline float bf16_to_f32(ushort v) { return as_float((uint)v << 16); }

// To nearest, ties to even; a NaN stays one.
static inline ushort f32_to_bf16(float v)
{
    uint b = as_uint(v);
    return isnan(v) ? (ushort)((b >> 16) | 0x40u) : (ushort)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
}

static inline float4 bf16x4_to_f32(ushort4 v) { return as_float4(convert_uint4(v) << 16); }

static inline ushort4 f32x4_to_bf16(float4 v)
{
    return (ushort4)(f32_to_bf16(v.x), f32_to_bf16(v.y), f32_to_bf16(v.z), f32_to_bf16(v.w));
}

// Storage in fp16 needs no extension.
static inline float f16_to_f32(ushort v) { return vload_half(0, (const half*)&v); }

static inline ushort f32_to_f16(float v)
{
    ushort r;
    vstore_half_rte(v, 0, (half*)&r);
    return r;
}

static inline float4 f16x4_to_f32(ushort4 v) { return (float4)(f16_to_f32(v.x), f16_to_f32(v.y), f16_to_f32(v.z), f16_to_f32(v.w)); }

static inline ushort4 f32x4_to_f16(float4 v) { return (ushort4)(f32_to_f16(v.x), f32_to_f16(v.y), f32_to_f16(v.z), f32_to_f16(v.w)); }

#ifdef MARROW_SUBGROUPS
#ifdef cl_khr_subgroups
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
#endif
#define MARROW_REDUCE(name, combine, within, neutral) \
static inline float name(float v, __local float* s) \
{ \
    v = within(v); \
    barrier(CLK_LOCAL_MEM_FENCE); \
    if (get_sub_group_local_id() == 0) \
        s[get_sub_group_id()] = v; \
    barrier(CLK_LOCAL_MEM_FENCE); \
    v = s[0]; \
    for (uint i = 1; i < get_num_sub_groups(); i++) \
        v = combine(v, s[i]); \
    return v; \
}
#else
// A tree over all lanes; the first barrier keeps an earlier reduction's readers ahead of this one's writers.
#define MARROW_REDUCE(name, combine, within, neutral) \
static inline float name(float v, __local float* s) \
{ \
    int lane = get_local_id(0); \
    barrier(CLK_LOCAL_MEM_FENCE); \
    s[lane] = v; \
    for (int width = MARROW_LANES; width > 1;) \
    { \
        int rest = (width + 1) / 2; \
        barrier(CLK_LOCAL_MEM_FENCE); \
        if (lane < width - rest) \
            s[lane] = combine(s[lane], s[lane + rest]); \
        width = rest; \
    } \
    barrier(CLK_LOCAL_MEM_FENCE); \
    return s[0]; \
}
#endif

#define MARROW_PLUS(a, b) ((a) + (b))

MARROW_REDUCE(group_sum, MARROW_PLUS, sub_group_reduce_add, 0.0f)
MARROW_REDUCE(group_max, fmax, sub_group_reduce_max, -INFINITY)

#define FUNCTION static inline
#define SHARED_WORDS __local const ushort*
#define GLOBAL_BYTES __global const uchar*
#define GLOBAL_CONSTANT __constant
#define WARP_LANE ((int)(get_local_id(0) & 31))
#ifdef MARROW_MATRIX_UNITS
// NVIDIA's compiler takes PTX between its lines; to it a pointer to local memory is the address in the shared window that ldmatrix wants.
#define SHARED_ADDRESS(p) ((uint)(size_t)(p))
#endif

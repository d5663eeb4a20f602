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

#ifndef MARROW_MATRIX_UNITS
// c += a*b by 32 lanes over 16 values of k; lane l holds of each 16x8 tile rows l/4 and l/4+8, columns 2(l%4) and the next.
static inline void warp_multiply(__local const ushort* a, int a_stride, int a_transposed, __local const ushort* b, int b_stride, int b_transposed,
    float* c, int rows, int columns)
{
    int lane = get_local_id(0) % 32;
    for (int r = 0; r < rows; r++)
    {
        for (int s = 0; s < columns; s++)
        {
            for (int v = 0; v < 4; v++)
            {
                int i = 16 * r + lane / 4 + 8 * (v / 2);
                int j = 8 * s + 2 * (lane % 4) + v % 2;
                float sum = 0.0f;
                for (int k = 0; k < 16; k++)
                {
                    float x = bf16_to_f32(a_transposed ? a[k * a_stride + i] : a[i * a_stride + k]);
                    float y = bf16_to_f32(b_transposed ? b[k * b_stride + j] : b[j * b_stride + k]);
                    sum = fma(x, y, sum);
                }
                c[(r * columns + s) * 4 + v] += sum;
            }
        }
    }
}
#endif

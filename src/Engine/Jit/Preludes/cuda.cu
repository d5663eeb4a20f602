/* What translated kernels call, in CUDA C++. NVRTC takes it without headers. */
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef long long long64;
typedef unsigned long long ulong64;

#define FUNCTION static __forceinline__ __device__

FUNCTION float as_float(uint bits) { return __uint_as_float(bits); }
FUNCTION float as_float(int bits) { return __int_as_float(bits); }
FUNCTION uint as_uint(float value) { return __float_as_uint(value); }
FUNCTION uint as_uint(int value) { return (uint)value; }
FUNCTION int as_int(float value) { return __float_as_int(value); }
FUNCTION int as_int(uint value) { return (int)value; }
FUNCTION int is_nan(float value) { return value != value; }

/* bf16 is the upper half of fp32; rounded to nearest even, NaN stays NaN. */
FUNCTION float bf16_to_f32(ushort h) { return __uint_as_float((uint)h << 16); }

FUNCTION ushort f32_to_bf16(float value)
{
#if __CUDA_ARCH__ >= 800
    ushort h;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(value));
    return h;
#else
    uint bits = __float_as_uint(value);
    return value != value ? (ushort)(bits >> 16 | 64u) : (ushort)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
}

FUNCTION float f16_to_f32(ushort h)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(h));
    return value;
}

FUNCTION ushort f32_to_f16(float value)
{
    ushort h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(value));
    return h;
}

FUNCTION float4 make_f4(float x, float y, float z, float w)
{
    float4 v;
    v.x = x, v.y = y, v.z = z, v.w = w;
    return v;
}

FUNCTION ushort4 make_us4(ushort x, ushort y, ushort z, ushort w)
{
    ushort4 v;
    v.x = x, v.y = y, v.z = z, v.w = w;
    return v;
}

FUNCTION float4 make_f4(float a) { return make_f4(a, a, a, a); }
FUNCTION float4 bf16x4_to_f32(ushort4 h) { return make_f4(bf16_to_f32(h.x), bf16_to_f32(h.y), bf16_to_f32(h.z), bf16_to_f32(h.w)); }
FUNCTION ushort4 f32x4_to_bf16(float4 v) { return make_us4(f32_to_bf16(v.x), f32_to_bf16(v.y), f32_to_bf16(v.z), f32_to_bf16(v.w)); }
FUNCTION float4 f16x4_to_f32(ushort4 h) { return make_f4(f16_to_f32(h.x), f16_to_f32(h.y), f16_to_f32(h.z), f16_to_f32(h.w)); }
FUNCTION ushort4 f32x4_to_f16(float4 v) { return make_us4(f32_to_f16(v.x), f32_to_f16(v.y), f32_to_f16(v.z), f32_to_f16(v.w)); }

#define ELEMENTWISE(op) \
    FUNCTION float4 operator op(float4 a, float4 b) { return make_f4(a.x op b.x, a.y op b.y, a.z op b.z, a.w op b.w); } \
    FUNCTION float4 operator op(float4 a, float b) { return make_f4(a.x op b, a.y op b, a.z op b, a.w op b); } \
    FUNCTION float4 operator op(float a, float4 b) { return make_f4(a op b.x, a op b.y, a op b.z, a op b.w); } \
    FUNCTION float4& operator op##=(float4& a, float4 b) { return a = a op b; } \
    FUNCTION float4& operator op##=(float4& a, float b) { return a = a op b; }
ELEMENTWISE(+)
ELEMENTWISE(-)
ELEMENTWISE(*)
ELEMENTWISE(/)

FUNCTION float4 operator-(float4 a) { return make_f4(-a.x, -a.y, -a.z, -a.w); }
FUNCTION float dot4(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

FUNCTION int atomic_add_i32(int* place, int value) { return atomicAdd(place, value); }
FUNCTION int atomic_max_i32(int* place, int value) { return atomicMax(place, value); }

/* One value for all lanes of the group, in an order that does not change; scratch holds a value of each warp. */
template<bool Largest>
FUNCTION float group_reduce(float value, float* scratch)
{
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int live = min(32, MARROW_LANES - 32 * warp);
    uint mask = live == 32 ? 0xffffffffu : (1u << live) - 1u;
    /* Lane 0 has met every lane after this, also where the warp is not full. */
#pragma unroll
    for (int step = 16; step > 0; step >>= 1)
    {
        float other = __shfl_xor_sync(mask, value, step);
        if ((lane ^ step) < live)
            value = Largest ? fmaxf(value, other) : value + other;
    }
    value = __shfl_sync(mask, value, 0);
    if (MARROW_LANES <= 32)
        return value;
    if (lane == 0)
        scratch[warp] = value;
    __syncthreads();
    value = scratch[0];
    for (int i = 1; i < (MARROW_LANES + 31) / 32; i++)
        value = Largest ? fmaxf(value, scratch[i]) : value + scratch[i];
    /* The next call writes the scratch. */
    __syncthreads();
    return value;
}

FUNCTION float group_sum(float value, float* scratch) { return group_reduce<false>(value, scratch); }
FUNCTION float group_max(float value, float* scratch) { return group_reduce<true>(value, scratch); }

#define SHARED_WORDS const ushort*
#define GLOBAL_BYTES const uchar*
#define GLOBAL_CONSTANT static __device__ const
#define WARP_LANE ((int)(threadIdx.x & 31u))
#ifdef MARROW_MATRIX_UNITS
#define SHARED_ADDRESS(p) ((uint)__cvta_generic_to_shared(p))
#endif

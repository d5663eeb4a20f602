/* What NVRTC knows by itself, for clang's NVPTX back end, which has no CUDA headers here. */
#pragma clang diagnostic ignored "-Wunused-function"
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define SHIM static __forceinline__ __device__

struct __align__(16) float4 { float x, y, z, w; };
struct __align__(8) ushort4 { unsigned short x, y, z, w; };
struct __align__(4) uchar4 { unsigned char x, y, z, w; };
struct __align__(16) int4 { int x, y, z, w; };
struct uint3 { unsigned x, y, z; };

#define SHIM_INDEX(name, r) \
    SHIM uint3 shim_##name() \
    { \
        uint3 v; \
        v.x = __nvvm_read_ptx_sreg_##r##_x(), v.y = __nvvm_read_ptx_sreg_##r##_y(), v.z = __nvvm_read_ptx_sreg_##r##_z(); \
        return v; \
    }
SHIM_INDEX(threadIdx, tid)
SHIM_INDEX(blockIdx, ctaid)
SHIM_INDEX(blockDim, ntid)
SHIM_INDEX(gridDim, nctaid)
#define threadIdx (shim_threadIdx())
#define blockIdx (shim_blockIdx())
#define blockDim (shim_blockDim())
#define gridDim (shim_gridDim())

SHIM float __shfl_xor_sync(unsigned mask, float v, int lanes) { return __nvvm_shfl_sync_bfly_f32(mask, v, lanes, 31); }
SHIM float __shfl_sync(unsigned mask, float v, int lane) { return __nvvm_shfl_sync_idx_f32(mask, v, lane, 31); }
SHIM float __uint_as_float(unsigned v) { return __builtin_bit_cast(float, v); }
SHIM float __int_as_float(int v) { return __builtin_bit_cast(float, v); }
SHIM unsigned __float_as_uint(float v) { return __builtin_bit_cast(unsigned, v); }
SHIM int __float_as_int(float v) { return __builtin_bit_cast(int, v); }
SHIM unsigned long __cvta_generic_to_shared(const void* p) { return (unsigned long)(__attribute__((address_space(3))) const void*)p; }
SHIM int atomicAdd(int* place, int v) { return __nvvm_atom_add_gen_i(place, v); }
SHIM int atomicMax(int* place, int v) { return __nvvm_atom_max_gen_i(place, v); }
SHIM int __popc(unsigned v) { return __builtin_popcount(v); }
SHIM int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
SHIM int __clz(int v) { return v == 0 ? 32 : __builtin_clz((unsigned)v); }
SHIM int __clzll(long long v) { return v == 0 ? 64 : __builtin_clzll((unsigned long long)v); }

#define SHIM_ORDER(type) \
    SHIM type min(type a, type b) { return a < b ? a : b; } \
    SHIM type max(type a, type b) { return a > b ? a : b; }
SHIM_ORDER(int)
SHIM_ORDER(unsigned)
SHIM_ORDER(long long)
SHIM_ORDER(unsigned long long)
SHIM int abs(int v) { return v < 0 ? -v : v; }
SHIM long long abs(long long v) { return v < 0 ? -v : v; }

#define SHIM_MATH(name) extern "C" __device__ float name(float);
SHIM_MATH(expf)
SHIM_MATH(logf)
SHIM_MATH(log2f)
SHIM_MATH(sqrtf)
SHIM_MATH(tanhf)
SHIM_MATH(sinf)
SHIM_MATH(cosf)
SHIM_MATH(fabsf)
SHIM_MATH(floorf)
SHIM_MATH(ceilf)
SHIM_MATH(rintf)
SHIM_MATH(truncf)
extern "C" __device__ float powf(float, float);
extern "C" __device__ float fminf(float, float);
extern "C" __device__ float fmaxf(float, float);
extern "C" __device__ float fmaf(float, float, float);

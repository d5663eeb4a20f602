/* Calls everything that the CUDA prelude holds. */
extern "C" __global__ void every_function(const float* x, ushort* h, float* y, int* n)
{
    __shared__ float scratch[32];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float4 v = *(const float4*)(x + 4 * i);
    *(ushort4*)(h + 4 * i) = f32x4_to_bf16(v * 2.0f + 1.0f / v - v / make_f4(3.0f));
    v += bf16x4_to_f32(*(ushort4*)(h + 4 * i)) - -v;
    v *= 0.5f;
    v -= 1.0f;
    v /= 2.0f;
    *(ushort4*)(h + 4 * i) = f32x4_to_f16(v);
    v += f16x4_to_f32(*(ushort4*)(h + 8 * i));
    y[i] = group_sum(dot4(v, v), scratch) + group_max(expf(x[i]), scratch) + as_float(as_uint(x[i]) ^ 1u) + as_float(as_int(x[i])) + is_nan(x[i]);
    atomic_add_i32(n, 1);
    atomic_max_i32(n + 1, i);
    h[i] = f32_to_bf16(x[i]);
    h[i + 1] = f32_to_f16(bf16_to_f32(h[2]) + f16_to_f32(h[3]));
}

#define PRODUCT(name, at, bt, rows, columns) \
extern "C" __global__ void name(const ushort* x, float* y) \
{ \
    __shared__ __align__(16) ushort a[2560], b[2560]; \
    float c[rows * columns * 4]; \
    _Pragma("unroll") \
    for (int z = 0; z < rows * columns * 4; z++) \
        c[z] = 0; \
    for (int i = threadIdx.x; i < 2560; i += 32) \
    { \
        a[i] = x[i]; \
        b[i] = x[i + 2560]; \
    } \
    __syncthreads(); \
    _Pragma("unroll 1") \
    for (int k = 0; k < 2; k++) \
        warp_multiply(a + (at ? 16 * 72 * k : 16 * k), at ? 72 : 40, at, b + (bt ? 16 * 72 * k : 16 * k), bt ? 72 : 40, bt, c, rows, columns); \
    _Pragma("unroll") \
    for (int z = 0; z < rows * columns * 4; z++) \
        y[threadIdx.x * rows * columns * 4 + z] = c[z]; \
}
PRODUCT(product_nn, 0, 0, 4, 8)
PRODUCT(product_nt, 0, 1, 2, 3)
PRODUCT(product_tn, 1, 0, 4, 4)
PRODUCT(product_tt, 1, 1, 1, 5)

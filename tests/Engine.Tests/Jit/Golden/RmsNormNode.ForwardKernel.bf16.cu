static __forceinline__ __device__ float Quads_Dot(float4 a, float4 b)
{
    return a.x * b.x + a.y * b.y + (a.z * b.z + a.w * b.w);
}

static __forceinline__ __device__ float4 RmsNormNode_Shifted(float* w, int q, float offset)
{
    return (*(float4*)&w[4 * q] + make_f4(offset, offset, offset, offset));
}

extern "C" __global__ void __launch_bounds__(128)
RmsNormNode_ForwardKernel(ushort* xs, float* w, ushort* ys, float* rstd, int n, int quads, float eps, float offset)
{
    __shared__ __align__(16) float group_scratch[128];
    ushort* x = xs + (long64)(int)blockIdx.x * (long64)n;
    ushort* y = ys + (long64)(int)blockIdx.x * (long64)n;
    float sum = 0.0f;
    for (int q = (int)threadIdx.x; q < quads; q += 128)
    {
        float4 v = bf16x4_to_f32(*(ushort4*)&x[4 * q]);
        sum += Quads_Dot(v, v);
    }
    for (int i = 4 * quads + (int)threadIdx.x; i < n; i += 128)
        sum += bf16_to_f32(x[i]) * bf16_to_f32(x[i]);
    float t = group_sum(sum, group_scratch);
    float r = 1.0f / sqrtf(t / (float)n + eps);
    if ((int)threadIdx.x == 0)
        rstd[(int)blockIdx.x] = r;
    for (int q2 = (int)threadIdx.x; q2 < quads; q2 += 128)
    {
        float4 t2 = (bf16x4_to_f32(*(ushort4*)&x[4 * q2]) * r);
        float4 t3 = RmsNormNode_Shifted(w, q2, offset);
        *(ushort4*)&y[4 * q2] = f32x4_to_bf16((t2 * t3));
    }
    for (int i2 = 4 * quads + (int)threadIdx.x; i2 < n; i2 += 128)
        y[i2] = f32_to_bf16(bf16_to_f32(x[i2]) * r * (w[i2] + offset));
}

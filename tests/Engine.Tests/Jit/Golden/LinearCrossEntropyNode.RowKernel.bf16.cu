static __forceinline__ __device__ float SoftCapNode_Capped(float x, float cap)
{
    return cap * tanhf(x / cap);
}

static __forceinline__ __device__ float LinearCrossEntropyNode_At(float* z_, int i, float cap)
{
    return SoftCapNode_Capped(z_[i], cap);
}

static __forceinline__ __device__ float4 LinearCrossEntropyNode_At4(float* z_, int q, float cap)
{
    float4 a = *(float4*)&z_[4 * q];
    a = make_f4(SoftCapNode_Capped(a.x, cap), SoftCapNode_Capped(a.y, cap), SoftCapNode_Capped(a.z, cap), SoftCapNode_Capped(a.w, cap));
    return a;
}

static __forceinline__ __device__ float SoftCapNode_Slope(float capped, float cap)
{
    return 1.0f - capped / cap * (capped / cap);
}

extern "C" __global__ void __launch_bounds__(128)
LinearCrossEntropyNode_RowKernel(float* zs, ushort* dzs, int* rows, int* targets, float* loss, int v, int quads, float scale, float cap, int withGradient)
{
    __shared__ __align__(16) float group_scratch[128];
    float* z_ = zs + (long64)(int)blockIdx.x * (long64)v;
    ushort* dz = dzs + (long64)(int)blockIdx.x * (long64)v;
    int row = rows[(int)blockIdx.x];
    int target = targets[row];
    float atTarget = LinearCrossEntropyNode_At(z_, target, cap);
    float max_ = -3.4028235E+38f;
    float sum = 0.0f;
    for (int q = (int)threadIdx.x; q < quads; q += 128)
    {
        float4 a = LinearCrossEntropyNode_At4(z_, q, cap);
        float higher = fmaxf(fmaxf(a.x, a.y), fmaxf(a.z, a.w));
        if (higher > max_)
        {
            sum *= expf(max_ - higher);
            max_ = higher;
        }
        sum += expf(a.x - max_) + expf(a.y - max_) + (expf(a.z - max_) + expf(a.w - max_));
    }
    for (int i = 4 * quads + (int)threadIdx.x; i < v; i += 128)
    {
        float a2 = LinearCrossEntropyNode_At(z_, i, cap);
        if (a2 > max_)
        {
            sum *= expf(max_ - a2);
            max_ = a2;
        }
        sum += expf(a2 - max_);
    }
    float highest = group_max(max_, group_scratch);
    float total = group_sum(sum * expf(max_ - highest), group_scratch);
    if ((int)threadIdx.x == 0)
        loss[row] = logf(total) + highest - atTarget;
    if (withGradient != 0)
    {
        float factor = scale / total;
        for (int q2 = (int)threadIdx.x; q2 < quads; q2 += 128)
        {
            float4 a3 = LinearCrossEntropyNode_At4(z_, q2, cap);
            int i2 = 4 * q2;
            float4 d = make_f4(expf(a3.x - highest) * factor - (i2 != target ? 0.0f : scale), expf(a3.y - highest) * factor - (i2 + 1 != target ? 0.0f : scale), expf(a3.z - highest) * factor - (i2 + 2 != target ? 0.0f : scale), expf(a3.w - highest) * factor - (i2 + 3 != target ? 0.0f : scale));
            d = (d * make_f4(SoftCapNode_Slope(a3.x, cap), SoftCapNode_Slope(a3.y, cap), SoftCapNode_Slope(a3.z, cap), SoftCapNode_Slope(a3.w, cap)));
            *(ushort4*)&dz[i2] = f32x4_to_bf16(d);
        }
        for (int i3 = 4 * quads + (int)threadIdx.x; i3 < v; i3 += 128)
        {
            float a4 = LinearCrossEntropyNode_At(z_, i3, cap);
            float d2 = expf(a4 - highest) * factor - (i3 != target ? 0.0f : scale);
            dz[i3] = f32_to_bf16(d2 * SoftCapNode_Slope(a4, cap));
        }
    }
}

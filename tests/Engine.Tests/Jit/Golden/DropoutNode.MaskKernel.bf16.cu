static __forceinline__ __device__ ulong64 SplitMix64_Mix(ulong64 state)
{
    ulong64 z_ = state + 0x9e3779b97f4a7c15ULL;
    z_ = (z_ ^ (z_ >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z_ = (z_ ^ (z_ >> 27)) * 0x94d049bb133111ebULL;
    return z_ ^ (z_ >> 31);
}

static __forceinline__ __device__ int DropoutNode_Keeps(ulong64 key, long64 i, float p)
{
    return (float)(SplitMix64_Mix(key + (ulong64)i) >> 40) * 5.9604645E-08f >= p;
}

extern "C" __global__ void __launch_bounds__(128)
DropoutNode_MaskKernel(ushort* x, ushort* y, int n, float p, float scale, ulong64 key, int accumulate)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n)
    {
        float v = DropoutNode_Keeps(key, (long64)i, p) == 0 ? 0.0f : bf16_to_f32(x[i]) * scale;
        y[i] = f32_to_bf16(accumulate == 0 ? v : bf16_to_f32(y[i]) + v);
    }
}

extern "C" __global__ void __launch_bounds__(128)
BlockSumNode_SumKernel(ushort* xs, ushort* s, int rows, int inputs, int r, int accumulate)
{
    int t = (int)(blockIdx.x * blockDim.x + threadIdx.x) / r;
    int j = (int)(blockIdx.x * blockDim.x + threadIdx.x) % r;
    if (t < rows)
    {
        ushort* x = xs + (long64)t * (long64)inputs;
        ushort* to = s + (long64)t * (long64)r;
        float sum = accumulate == 0 ? 0.0f : bf16_to_f32(to[j]);
        for (int i = j; i < inputs; i += r)
            sum += bf16_to_f32(x[i]);
        to[j] = f32_to_bf16(sum);
    }
}

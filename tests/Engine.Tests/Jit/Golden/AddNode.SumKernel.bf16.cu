extern "C" __global__ void __launch_bounds__(128)
AddNode_SumKernel(ushort* y, ushort* a, ushort* b, int n, int quads)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < quads)
    {
        *(ushort4*)&y[4 * i] = f32x4_to_bf16((bf16x4_to_f32(*(ushort4*)&a[4 * i]) + bf16x4_to_f32(*(ushort4*)&b[4 * i])));
        return;
    }
    i += 3 * quads;
    if (i < n)
        y[i] = f32_to_bf16(bf16_to_f32(a[i]) + bf16_to_f32(b[i]));
}

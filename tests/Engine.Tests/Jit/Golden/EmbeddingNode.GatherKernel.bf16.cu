extern "C" __global__ void __launch_bounds__(128)
EmbeddingNode_GatherKernel(ushort* from, int* rows, ushort* to, int count, int width, int lanesOfRow, int wide, float factor)
{
    int t = (int)(blockIdx.x * blockDim.x + threadIdx.x) / lanesOfRow;
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x) % lanesOfRow;
    if (t < count)
    {
        ushort* source = from + (long64)rows[t] * (long64)width;
        ushort* target = to + (long64)t * (long64)width;
        if (wide != 0)
        {
            *(ushort4*)&target[4 * i] = f32x4_to_bf16((bf16x4_to_f32(*(ushort4*)&source[4 * i]) * factor));
            return;
        }
        target[i] = f32_to_bf16(bf16_to_f32(source[i]) * factor);
    }
}

extern "C" __global__ void __launch_bounds__(128)
RopeNode_RotateKernel(ushort* from, ushort* to, int* positions, float* cos_, float* sin_, int rows, int width, int half_, int lanesOfRow, int wide, float direction, int accumulate)
{
    int t = (int)(blockIdx.x * blockDim.x + threadIdx.x) / lanesOfRow;
    if (t < rows)
    {
        int pair = (int)(blockIdx.x * blockDim.x + threadIdx.x) % lanesOfRow * (wide == 0 ? 1 : 4);
        int i = pair % half_;
        int at = pair / half_ * 2 * half_ + i;
        ushort* x = from + (long64)t * (long64)width;
        ushort* y = to + (long64)t * (long64)width;
        int angle = positions[t] * half_ + i;
        if (wide != 0)
        {
            float4 a = bf16x4_to_f32(*(ushort4*)&x[at]);
            float4 b = bf16x4_to_f32(*(ushort4*)&x[at + half_]);
            float4 c = *(float4*)&cos_[angle];
            float4 s = (*(float4*)&sin_[angle] * direction);
            float4 first = ((a * c) - (b * s));
            float4 second = ((b * c) + (a * s));
            if (accumulate != 0)
            {
                first = (first + bf16x4_to_f32(*(ushort4*)&y[at]));
                second = (second + bf16x4_to_f32(*(ushort4*)&y[at + half_]));
            }
            *(ushort4*)&y[at] = f32x4_to_bf16(first);
            *(ushort4*)&y[at + half_] = f32x4_to_bf16(second);
            return;
        }
        float a2 = bf16_to_f32(x[at]);
        float b2 = bf16_to_f32(x[at + half_]);
        float c2 = cos_[angle];
        float s2 = sin_[angle] * direction;
        float first2 = a2 * c2 - b2 * s2;
        float second2 = b2 * c2 + a2 * s2;
        y[at] = f32_to_bf16(accumulate == 0 ? first2 : bf16_to_f32(y[at]) + first2);
        y[at + half_] = f32_to_bf16(accumulate == 0 ? second2 : bf16_to_f32(y[at + half_]) + second2);
    }
}

extern "C" __global__ void __launch_bounds__(128)
LinearCrossEntropyNode_RowKernel(float* zs, ushort* dzs, int* rows, int* targets, float* loss, int v, int quads, float scale, int withGradient)
{
    __shared__ __align__(16) float group_scratch[128];
    float* z_ = zs + (long64)(int)blockIdx.x * (long64)v;
    ushort* dz = dzs + (long64)(int)blockIdx.x * (long64)v;
    int row = rows[(int)blockIdx.x];
    int target = targets[row];
    float atTarget = z_[target];
    float max_ = -3.4028235E+38f;
    float sum = 0.0f;
    for (int q = (int)threadIdx.x; q < quads; q += 128)
    {
        float4 a = *(float4*)&z_[4 * q];
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
        float a2 = z_[i];
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
            float4 a3 = *(float4*)&z_[4 * q2];
            int i2 = 4 * q2;
            *(ushort4*)&dz[i2] = f32x4_to_bf16(make_f4(expf(a3.x - highest) * factor - (i2 != target ? 0.0f : scale), expf(a3.y - highest) * factor - (i2 + 1 != target ? 0.0f : scale), expf(a3.z - highest) * factor - (i2 + 2 != target ? 0.0f : scale), expf(a3.w - highest) * factor - (i2 + 3 != target ? 0.0f : scale)));
        }
        for (int i3 = 4 * quads + (int)threadIdx.x; i3 < v; i3 += 128)
            dz[i3] = f32_to_bf16(expf(z_[i3] - highest) * factor - (i3 != target ? 0.0f : scale));
    }
}

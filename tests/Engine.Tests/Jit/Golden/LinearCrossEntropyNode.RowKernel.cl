static inline float SoftCapNode_Capped(float x, float cap)
{
    return cap * tanh(x / cap);
}

static inline float LinearCrossEntropyNode_At(__global float* z_, int i, float cap)
{
    return SoftCapNode_Capped(z_[i], cap);
}

static inline float4 LinearCrossEntropyNode_At4(__global float* z_, int q, float cap)
{
    float4 a = *(__global float4*)&z_[4 * q];
    a = make_f4(SoftCapNode_Capped(a.x, cap), SoftCapNode_Capped(a.y, cap), SoftCapNode_Capped(a.z, cap), SoftCapNode_Capped(a.w, cap));
    return a;
}

static inline float SoftCapNode_Slope(float capped, float cap)
{
    return 1.0f - capped / cap * (capped / cap);
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void LinearCrossEntropyNode_RowKernel(__global float* zs_base, long zs_first, __global float* dzs_base, long dzs_first, __global int* rows_base, long rows_first, __global int* targets_base, long targets_first, __global float* loss_base, long loss_first, int v, int quads, float scale, float cap, int withGradient)
{
    __global float* zs = zs_base + zs_first;
    __global float* dzs = dzs_base + dzs_first;
    __global int* rows = rows_base + rows_first;
    __global int* targets = targets_base + targets_first;
    __global float* loss = loss_base + loss_first;
    __local float group_scratch[128] __attribute__((aligned(16)));
    __global float* z_ = zs + (long64)(int)get_group_id(0) * (long64)v;
    __global float* dz = dzs + (long64)(int)get_group_id(0) * (long64)v;
    int row = rows[(int)get_group_id(0)];
    int target = targets[row];
    float atTarget = LinearCrossEntropyNode_At(z_, target, cap);
    float max_ = -3.4028235E+38f;
    float sum = 0.0f;
    for (int q = (int)get_local_id(0); q < quads; q += 128)
    {
        float4 a = LinearCrossEntropyNode_At4(z_, q, cap);
        float higher = fmax(fmax(a.x, a.y), fmax(a.z, a.w));
        if (higher > max_)
        {
            sum *= exp(max_ - higher);
            max_ = higher;
        }
        sum += exp(a.x - max_) + exp(a.y - max_) + (exp(a.z - max_) + exp(a.w - max_));
    }
    for (int i = 4 * quads + (int)get_local_id(0); i < v; i += 128)
    {
        float a2 = LinearCrossEntropyNode_At(z_, i, cap);
        if (a2 > max_)
        {
            sum *= exp(max_ - a2);
            max_ = a2;
        }
        sum += exp(a2 - max_);
    }
    float highest = group_max(max_, group_scratch);
    float total = group_sum(sum * exp(max_ - highest), group_scratch);
    if ((int)get_local_id(0) == 0)
        loss[row] = log(total) + highest - atTarget;
    if (withGradient != 0)
    {
        float factor = scale / total;
        for (int q2 = (int)get_local_id(0); q2 < quads; q2 += 128)
        {
            float4 a3 = LinearCrossEntropyNode_At4(z_, q2, cap);
            int i2 = 4 * q2;
            float4 d = make_f4(exp(a3.x - highest) * factor - (i2 != target ? 0.0f : scale), exp(a3.y - highest) * factor - (i2 + 1 != target ? 0.0f : scale), exp(a3.z - highest) * factor - (i2 + 2 != target ? 0.0f : scale), exp(a3.w - highest) * factor - (i2 + 3 != target ? 0.0f : scale));
            d = (d * make_f4(SoftCapNode_Slope(a3.x, cap), SoftCapNode_Slope(a3.y, cap), SoftCapNode_Slope(a3.z, cap), SoftCapNode_Slope(a3.w, cap)));
            *(__global float4*)&dz[i2] = d;
        }
        for (int i3 = 4 * quads + (int)get_local_id(0); i3 < v; i3 += 128)
        {
            float a4 = LinearCrossEntropyNode_At(z_, i3, cap);
            float d2 = exp(a4 - highest) * factor - (i3 != target ? 0.0f : scale);
            dz[i3] = d2 * SoftCapNode_Slope(a4, cap);
        }
    }
}

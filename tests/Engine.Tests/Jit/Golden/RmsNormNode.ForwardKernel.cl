static inline float Quads_Dot(float4 a, float4 b)
{
    return a.x * b.x + a.y * b.y + (a.z * b.z + a.w * b.w);
}

static inline float4 RmsNormNode_Shifted(__global float* w, int q, float offset)
{
    return (*(__global float4*)&w[4 * q] + make_f4(offset, offset, offset, offset));
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void RmsNormNode_ForwardKernel(__global float* xs_base, long xs_first, __global float* w_base, long w_first, __global float* ys_base, long ys_first, __global float* rstd_base, long rstd_first, int n, int quads, float eps, float offset)
{
    __global float* xs = xs_base + xs_first;
    __global float* w = w_base + w_first;
    __global float* ys = ys_base + ys_first;
    __global float* rstd = rstd_base + rstd_first;
    __local float group_scratch[128] __attribute__((aligned(16)));
    __global float* x = xs + (long64)(int)get_group_id(0) * (long64)n;
    __global float* y = ys + (long64)(int)get_group_id(0) * (long64)n;
    float sum = 0.0f;
    for (int q = (int)get_local_id(0); q < quads; q += 128)
    {
        float4 v = *(__global float4*)&x[4 * q];
        sum += Quads_Dot(v, v);
    }
    for (int i = 4 * quads + (int)get_local_id(0); i < n; i += 128)
        sum += x[i] * x[i];
    float t = group_sum(sum, group_scratch);
    float r = 1.0f / sqrt(t / (float)n + eps);
    if ((int)get_local_id(0) == 0)
        rstd[(int)get_group_id(0)] = r;
    for (int q2 = (int)get_local_id(0); q2 < quads; q2 += 128)
    {
        float4 t2 = (*(__global float4*)&x[4 * q2] * r);
        float4 t3 = RmsNormNode_Shifted(w, q2, offset);
        *(__global float4*)&y[4 * q2] = (t2 * t3);
    }
    for (int i2 = 4 * quads + (int)get_local_id(0); i2 < n; i2 += 128)
        y[i2] = x[i2] * r * (w[i2] + offset);
}

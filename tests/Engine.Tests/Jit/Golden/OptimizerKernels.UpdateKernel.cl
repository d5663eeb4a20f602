__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void OptimizerKernels_UpdateKernel(__global float* values_base, long values_first, __global float* gradients_base, long gradients_first, __global float* moments_base, long moments_first, __global float* seconds_base, long seconds_first, int quads, float clip, float beta2, float rest1, float rest2, float decay, float step, float root, float eps)
{
    __global float* values = values_base + values_first;
    __global float* gradients = gradients_base + gradients_first;
    __global float* moments = moments_base + moments_first;
    __global float* seconds = seconds_base + seconds_first;
    if ((int)get_global_id(0) < quads)
    {
        int i = 4 * (int)get_global_id(0);
        float4 g = (*(__global float4*)&gradients[i] * clip);
        float4 m = *(__global float4*)&moments[i];
        float4 v = *(__global float4*)&seconds[i];
        m = (m + ((g - m) * rest1));
        v = ((v * beta2) + ((g * g) * rest2));
        *(__global float4*)&moments[i] = m;
        *(__global float4*)&seconds[i] = v;
        float4 size = make_f4(sqrt(v.x) * root + eps, sqrt(v.y) * root + eps, sqrt(v.z) * root + eps, sqrt(v.w) * root + eps);
        *(__global float4*)&values[i] = ((*(__global float4*)&values[i] * decay) - ((m * step) / size));
    }
}

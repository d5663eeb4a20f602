extern "C" __global__ void __launch_bounds__(128)
OptimizerKernels_UpdateKernel(float* values, float* gradients, float* moments, float* seconds, int quads, float clip, float beta2, float rest1, float rest2, float decay, float step, float root, float eps)
{
    if ((int)(blockIdx.x * blockDim.x + threadIdx.x) < quads)
    {
        int i = 4 * (int)(blockIdx.x * blockDim.x + threadIdx.x);
        float4 g = (*(float4*)&gradients[i] * clip);
        float4 m = *(float4*)&moments[i];
        float4 v = *(float4*)&seconds[i];
        m = (m + ((g - m) * rest1));
        v = ((v * beta2) + ((g * g) * rest2));
        *(float4*)&moments[i] = m;
        *(float4*)&seconds[i] = v;
        float4 size = make_f4(sqrtf(v.x) * root + eps, sqrtf(v.y) * root + eps, sqrtf(v.z) * root + eps, sqrtf(v.w) * root + eps);
        *(float4*)&values[i] = ((*(float4*)&values[i] * decay) - ((m * step) / size));
    }
}

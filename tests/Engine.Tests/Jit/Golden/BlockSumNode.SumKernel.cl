__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void BlockSumNode_SumKernel(__global float* xs_base, long xs_first, __global float* s_base, long s_first, int rows, int inputs, int r, int accumulate)
{
    __global float* xs = xs_base + xs_first;
    __global float* s = s_base + s_first;
    int t = (int)get_global_id(0) / r;
    int j = (int)get_global_id(0) % r;
    if (t < rows)
    {
        __global float* x = xs + (long64)t * (long64)inputs;
        __global float* to = s + (long64)t * (long64)r;
        float sum = accumulate == 0 ? 0.0f : to[j];
        for (int i = j; i < inputs; i += r)
            sum += x[i];
        to[j] = sum;
    }
}

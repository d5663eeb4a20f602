__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void AddNode_SumKernel(__global float* y_base, long y_first, __global float* a_base, long a_first, __global float* b_base, long b_first, int n, int quads)
{
    __global float* y = y_base + y_first;
    __global float* a = a_base + a_first;
    __global float* b = b_base + b_first;
    int i = (int)get_global_id(0);
    if (i < quads)
    {
        *(__global float4*)&y[4 * i] = (*(__global float4*)&a[4 * i] + *(__global float4*)&b[4 * i]);
        return;
    }
    i += 3 * quads;
    if (i < n)
        y[i] = a[i] + b[i];
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void EmbeddingNode_GatherKernel(__global float* from_base, long from_first, __global int* rows_base, long rows_first, __global float* to_base, long to_first, int count, int width, int lanesOfRow, int wide, float factor)
{
    __global float* from = from_base + from_first;
    __global int* rows = rows_base + rows_first;
    __global float* to = to_base + to_first;
    int t = (int)get_global_id(0) / lanesOfRow;
    int i = (int)get_global_id(0) % lanesOfRow;
    if (t < count)
    {
        __global float* source = from + (long64)rows[t] * (long64)width;
        __global float* target = to + (long64)t * (long64)width;
        if (wide != 0)
        {
            *(__global float4*)&target[4 * i] = (*(__global float4*)&source[4 * i] * factor);
            return;
        }
        target[i] = source[i] * factor;
    }
}

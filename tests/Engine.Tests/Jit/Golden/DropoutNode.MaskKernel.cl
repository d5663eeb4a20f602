static inline ulong64 SplitMix64_Mix(ulong64 state)
{
    ulong64 z_ = state + 0x9e3779b97f4a7c15UL;
    z_ = (z_ ^ (z_ >> 30)) * 0xbf58476d1ce4e5b9UL;
    z_ = (z_ ^ (z_ >> 27)) * 0x94d049bb133111ebUL;
    return z_ ^ (z_ >> 31);
}

static inline int DropoutNode_Keeps(ulong64 key, long64 i, float p)
{
    return (float)(SplitMix64_Mix(key + (ulong64)i) >> 40) * 5.9604645E-08f >= p;
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void DropoutNode_MaskKernel(__global float* x_base, long x_first, __global float* y_base, long y_first, int n, float p, float scale, ulong64 key, int accumulate)
{
    __global float* x = x_base + x_first;
    __global float* y = y_base + y_first;
    int i = (int)get_global_id(0);
    if (i < n)
    {
        float v = DropoutNode_Keeps(key, (long64)i, p) == 0 ? 0.0f : x[i] * scale;
        y[i] = accumulate == 0 ? v : y[i] + v;
    }
}

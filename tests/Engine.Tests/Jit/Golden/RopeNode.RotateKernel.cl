__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void RopeNode_RotateKernel(__global float* from_base, long from_first, __global float* to_base, long to_first, __global int* positions_base, long positions_first, __global float* cos__base, long cos__first, __global float* sin__base, long sin__first, int rows, int width, int half_, int lanesOfRow, int wide, float direction, int accumulate)
{
    __global float* from = from_base + from_first;
    __global float* to = to_base + to_first;
    __global int* positions = positions_base + positions_first;
    __global float* cos_ = cos__base + cos__first;
    __global float* sin_ = sin__base + sin__first;
    int t = (int)get_global_id(0) / lanesOfRow;
    if (t < rows)
    {
        int pair = (int)get_global_id(0) % lanesOfRow * (wide == 0 ? 1 : 4);
        int i = pair % half_;
        int at = pair / half_ * 2 * half_ + i;
        __global float* x = from + (long64)t * (long64)width;
        __global float* y = to + (long64)t * (long64)width;
        int angle = positions[t] * half_ + i;
        if (wide != 0)
        {
            float4 a = *(__global float4*)&x[at];
            float4 b = *(__global float4*)&x[at + half_];
            float4 c = *(__global float4*)&cos_[angle];
            float4 s = (*(__global float4*)&sin_[angle] * direction);
            float4 first = ((a * c) - (b * s));
            float4 second = ((b * c) + (a * s));
            if (accumulate != 0)
            {
                first = (first + *(__global float4*)&y[at]);
                second = (second + *(__global float4*)&y[at + half_]);
            }
            *(__global float4*)&y[at] = first;
            *(__global float4*)&y[at + half_] = second;
            return;
        }
        float a2 = x[at];
        float b2 = x[at + half_];
        float c2 = cos_[angle];
        float s2 = sin_[angle] * direction;
        float first2 = a2 * c2 - b2 * s2;
        float second2 = b2 * c2 + a2 * s2;
        y[at] = accumulate == 0 ? first2 : y[at] + first2;
        y[at + half_] = accumulate == 0 ? second2 : y[at + half_] + second2;
    }
}

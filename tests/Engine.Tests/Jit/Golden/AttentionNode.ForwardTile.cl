static inline int AttentionNode_SequenceOf(__global int* starts, int sequences, int tile, int size)
{
    int low = 0;
    int high = sequences;
    while (high - low > 1)
    {
        int middle = (low + high) / 2;
        if (starts[middle] / size + middle <= tile)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static inline float4 AttentionNode_Quad(__global float* from, int at, int left, int d)
{
    float4 value = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
    if (d % 4 == 0)
        value = *(__global float4*)&from[at];
    else
    {
        value.x = from[at];
        if (left > 1)
            value.y = from[at + 1];
        if (left > 2)
            value.z = from[at + 2];
        if (left > 3)
            value.w = from[at + 3];
    }
    return value;
}

static inline void AttentionNode_Fill(__local float* tile, __global float* from, int rows, int valid, int width, int d, int stride, float scale)
{
    int quads = stride / 4 - 1;
    for (int n = (int)get_local_id(0); n < rows * quads; n += 128)
    {
        int i = n / quads;
        int x = n % quads * 4;
        float4 value = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
        if (i < valid && x < d)
        {
            float4 t = AttentionNode_Quad(from, i * width + x, d - x, d);
            value = (t * scale);
        }
        *(__local float4*)&tile[i * stride + x] = value;
    }
}

static inline void AttentionNode_Products(float4* dots, __local float* own, __local float* passing, int r, int c, int d)
{
    float4 side[4] __attribute__((aligned(16)));
    #pragma unroll
    for (int z = 0; z < 4; z++)
        side[z] = 0;
    #pragma unroll
    for (int n = 0; n < 16; n++)
        dots[n] = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int x = 0; x < d; x += 4)
    {
        #pragma unroll
        for (int j = 0; j < 4; j++)
            side[j] = *(__local float4*)&passing[(c + j * 8) * 68 + x];
        #pragma unroll
        for (int i = 0; i < 4; i++)
        {
            float4 row = *(__local float4*)&own[(r + i * 16) * 68 + x];
            #pragma unroll
            for (int j2 = 0; j2 < 4; j2++)
                dots[i * 4 + j2] = (dots[i * 4 + j2] + (row * side[j2]));
        }
    }
}

static inline float SoftCapNode_Capped(float x, float cap)
{
    return cap * tanh(x / cap);
}

static inline float AttentionNode_Score(float4 dot_, float cap)
{
    float score = dot_.x + dot_.y + (dot_.z + dot_.w);
    return SoftCapNode_Capped(score, cap);
}

static inline void AttentionNode_Accumulate(float4* sums, __local float* weights, __local float* passing, int r, int c, int count)
{
    for (int y = 0; y < count; y += 4)
    {
        #pragma unroll
        for (int m = 0; m < 2; m++)
        {
            int at = y * 68 + 4 * (c + m * 8);
            float4 x0 = *(__local float4*)&passing[at];
            float4 x1 = *(__local float4*)&passing[at + 68];
            float4 x2 = *(__local float4*)&passing[at + 136];
            float4 x3 = *(__local float4*)&passing[at + 204];
            #pragma unroll
            for (int i = 0; i < 4; i++)
            {
                float4 weight = *(__local float4*)&weights[(r + i * 16) * 36 + y];
                float4 sum = sums[i * 2 + m];
                sum = (sum + (x0 * weight.x));
                sum = (sum + (x1 * weight.y));
                sum = (sum + (x2 * weight.z));
                sum = (sum + (x3 * weight.w));
                sums[i * 2 + m] = sum;
            }
        }
    }
}

static inline void AttentionNode_Put(__global float* to, int at, float4 value, int left, int d, int add)
{
    if (left <= 0)
        return;
    if (add != 0)
    {
        float4 t = AttentionNode_Quad(to, at, left, d);
        value = (value + t);
    }
    if (d % 4 == 0)
    {
        *(__global float4*)&to[at] = value;
        return;
    }
    to[at] = value.x;
    if (left > 1)
        to[at + 1] = value.y;
    if (left > 2)
        to[at + 2] = value.z;
    if (left > 3)
        to[at + 3] = value.w;
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void AttentionNode_ForwardTile(__global float* q_base, long q_first, __global float* k_base, long k_first, __global float* v_base, long v_first, __global int* starts_base, long starts_first, __global float* o_base, long o_first, __global float* lse_base, long lse_first, int sequences, int rows, int first, int heads, int group, int window, float scale, float cap)
{
    __global float* q = q_base + q_first;
    __global float* k = k_base + k_first;
    __global float* v = v_base + v_first;
    __global int* starts = starts_base + starts_first;
    __global float* o = o_base + o_first;
    __global float* lse = lse_base + lse_first;
    __local float qs[4352] __attribute__((aligned(16)));
    __local float ks[2176] __attribute__((aligned(16)));
    __local float vs[2176] __attribute__((aligned(16)));
    __local float ps[2304] __attribute__((aligned(16)));
    __local float exchange[512] __attribute__((aligned(16)));
    float4 sums[8] __attribute__((aligned(16)));
    float4 dots[16] __attribute__((aligned(16)));
    float scores[16] __attribute__((aligned(16)));
    float top[4] __attribute__((aligned(16)));
    float mass[4] __attribute__((aligned(16)));
    int r = (int)get_local_id(0) / 8;
    int c = (int)get_local_id(0) % 8;
    #pragma unroll
    for (int z = 0; z < 8; z++)
        sums[z] = 0;
    #pragma unroll
    for (int z = 0; z < 16; z++)
        dots[z] = 0;
    #pragma unroll
    for (int z = 0; z < 16; z++)
        scores[z] = 0;
    #pragma unroll
    for (int z = 0; z < 4; z++)
        top[z] = 0;
    #pragma unroll
    for (int z = 0; z < 4; z++)
        mass[z] = 0;
    int head = (int)get_group_id(0) % heads;
    int tile = (int)get_num_groups(0) / heads - 1 - (int)get_group_id(0) / heads;
    int sequence = AttentionNode_SequenceOf(starts, sequences, tile, 64);
    int start = starts[sequence];
    int end = starts[sequence + 1];
    int t0 = start + (tile - start / 64 - sequence) * 64;
    int u0 = max(start, t0 + first - window + 1);
    int stop = t0 >= end ? u0 : min(t0 + 64, end) + first;
    int width = heads * 64;
    int keyWidth = heads / group * 64;
    AttentionNode_Fill(qs, q + ((long64)t0 * (long64)width + (long64)(head * 64)), 64, end - t0, width, 64, 68, scale);
    #pragma unroll
    for (int i = 0; i < 4; i++)
        top[i] = -1E+30f;
    for (; u0 < stop; u0 += 32)
    {
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        long64 keyAt = (long64)u0 * (long64)keyWidth + (long64)(head / group * 64);
        AttentionNode_Fill(ks, k + keyAt, 32, stop - u0, keyWidth, 64, 68, 1.0f);
        AttentionNode_Fill(vs, v + keyAt, 32, stop - u0, keyWidth, 64, 68, 1.0f);
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        AttentionNode_Products(dots, qs, ks, r, c, 64);
        #pragma unroll
        for (int i2 = 0; i2 < 4; i2++)
        {
            int t3 = t0 + r + i2 * 16 + first;
            float most = -1E+30f;
            #pragma unroll
            for (int j = 0; j < 4; j++)
            {
                int u = u0 + c + j * 8;
                float score = u > t3 || t3 - u >= window ? -1E+30f : AttentionNode_Score(dots[i2 * 4 + j], cap);
                scores[i2 * 4 + j] = score;
                most = fmax(most, score);
            }
            exchange[(r + i2 * 16) * 8 + c] = most;
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        #pragma unroll
        for (int i3 = 0; i3 < 4; i3++)
        {
            float most2 = top[i3];
            #pragma unroll
            for (int n = 0; n < 8; n++)
                most2 = fmax(most2, exchange[(r + i3 * 16) * 8 + n]);
            float shrink = exp(top[i3] - most2);
            top[i3] = most2;
            float added = 0.0f;
            #pragma unroll
            for (int j2 = 0; j2 < 4; j2++)
            {
                float score2 = scores[i3 * 4 + j2];
                float weight = !(score2 > -1E+30f) ? 0.0f : exp(score2 - most2);
                ps[(r + i3 * 16) * 36 + c + j2 * 8] = weight;
                added += weight;
            }
            mass[i3] = mass[i3] * shrink + added;
            #pragma unroll
            for (int m = 0; m < 2; m++)
                sums[i3 * 2 + m] = (sums[i3 * 2 + m] * shrink);
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        AttentionNode_Accumulate(sums, ps, vs, r, c, 32);
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    #pragma unroll
    for (int i4 = 0; i4 < 4; i4++)
        exchange[(r + i4 * 16) * 8 + c] = mass[i4];
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    __global float* place = o + ((long64)t0 * (long64)width + (long64)(head * 64));
    #pragma unroll
    for (int i5 = 0; i5 < 4; i5++)
    {
        int t7 = r + i5 * 16;
        float whole = 0.0f;
        #pragma unroll
        for (int n2 = 0; n2 < 8; n2++)
            whole += exchange[t7 * 8 + n2];
        if (t0 + t7 < end)
        {
            if (c == 0)
                lse[(long64)head * (long64)rows + (long64)t0 + (long64)t7] = top[i5] + log(whole);
            #pragma unroll
            for (int m2 = 0; m2 < 2; m2++)
            {
                int x = 4 * (c + m2 * 8);
                AttentionNode_Put(place, t7 * width + x, (sums[i5 * 2 + m2] * (1.0f / whole)), 64 - x, 64, 0);
            }
        }
    }
}

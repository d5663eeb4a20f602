static __forceinline__ __device__ int AttentionNode_SequenceOf(int* starts, int sequences, int tile, int size)
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

static __forceinline__ __device__ float4 AttentionNode_Quad(ushort* from, int at, int left, int d)
{
    float4 value = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
    if (d % 4 == 0)
        value = bf16x4_to_f32(*(ushort4*)&from[at]);
    else
    {
        value.x = bf16_to_f32(from[at]);
        if (left > 1)
            value.y = bf16_to_f32(from[at + 1]);
        if (left > 2)
            value.z = bf16_to_f32(from[at + 2]);
        if (left > 3)
            value.w = bf16_to_f32(from[at + 3]);
    }
    return value;
}

static __forceinline__ __device__ void AttentionNode_Fill(float* tile, ushort* from, int rows, int valid, int width, int d, int stride, float scale)
{
    int quads = stride / 4 - 1;
    for (int n = (int)threadIdx.x; n < rows * quads; n += 128)
    {
        int i = n / quads;
        int x = n % quads * 4;
        float4 value = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
        if (i < valid && x < d)
        {
            float4 t = AttentionNode_Quad(from, i * width + x, d - x, d);
            value = (t * scale);
        }
        *(float4*)&tile[i * stride + x] = value;
    }
}

static __forceinline__ __device__ void AttentionNode_Products(float4* dots, float* own, float* passing, int r, int c, int d)
{
    __align__(16) float4 side[4];
    #pragma unroll
    for (int z = 0; z < 4; z++)
        side[z] = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
    #pragma unroll
    for (int n = 0; n < 16; n++)
        dots[n] = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int x = 0; x < d; x += 4)
    {
        #pragma unroll
        for (int j = 0; j < 4; j++)
            side[j] = *(float4*)&passing[(c + j * 8) * 68 + x];
        #pragma unroll
        for (int i = 0; i < 4; i++)
        {
            float4 row = *(float4*)&own[(r + i * 16) * 68 + x];
            #pragma unroll
            for (int j2 = 0; j2 < 4; j2++)
                dots[i * 4 + j2] = (dots[i * 4 + j2] + (row * side[j2]));
        }
    }
}

static __forceinline__ __device__ float SoftCapNode_Capped(float x, float cap)
{
    return cap * tanhf(x / cap);
}

static __forceinline__ __device__ float AttentionNode_Score(float4 dot_, float cap)
{
    float score = dot_.x + dot_.y + (dot_.z + dot_.w);
    return SoftCapNode_Capped(score, cap);
}

static __forceinline__ __device__ void AttentionNode_Accumulate(float4* sums, float* weights, float* passing, int r, int c, int count)
{
    for (int y = 0; y < count; y += 4)
    {
        #pragma unroll
        for (int m = 0; m < 2; m++)
        {
            int at = y * 68 + 4 * (c + m * 8);
            float4 x0 = *(float4*)&passing[at];
            float4 x1 = *(float4*)&passing[at + 68];
            float4 x2 = *(float4*)&passing[at + 136];
            float4 x3 = *(float4*)&passing[at + 204];
            #pragma unroll
            for (int i = 0; i < 4; i++)
            {
                float4 weight = *(float4*)&weights[(r + i * 16) * 36 + y];
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

static __forceinline__ __device__ void AttentionNode_Put(ushort* to, int at, float4 value, int left, int d, int add)
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
        *(ushort4*)&to[at] = f32x4_to_bf16(value);
        return;
    }
    to[at] = f32_to_bf16(value.x);
    if (left > 1)
        to[at + 1] = f32_to_bf16(value.y);
    if (left > 2)
        to[at + 2] = f32_to_bf16(value.z);
    if (left > 3)
        to[at + 3] = f32_to_bf16(value.w);
}

extern "C" __global__ void __launch_bounds__(128)
AttentionNode_ForwardTile(ushort* q, ushort* k, ushort* v, int* starts, ushort* o, float* lse, int sequences, int rows, int first, int heads, int group, int window, float scale, float cap)
{
    __shared__ __align__(16) float qs[4352];
    __shared__ __align__(16) float ks[2176];
    __shared__ __align__(16) float vs[2176];
    __shared__ __align__(16) float ps[2304];
    __shared__ __align__(16) float exchange[512];
    __align__(16) float4 sums[8];
    __align__(16) float4 dots[16];
    __align__(16) float scores[16];
    __align__(16) float top[4];
    __align__(16) float mass[4];
    int r = (int)threadIdx.x / 8;
    int c = (int)threadIdx.x % 8;
    #pragma unroll
    for (int z = 0; z < 8; z++)
        sums[z] = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
    #pragma unroll
    for (int z = 0; z < 16; z++)
        dots[z] = make_f4(0.0f, 0.0f, 0.0f, 0.0f);
    #pragma unroll
    for (int z = 0; z < 16; z++)
        scores[z] = 0;
    #pragma unroll
    for (int z = 0; z < 4; z++)
        top[z] = 0;
    #pragma unroll
    for (int z = 0; z < 4; z++)
        mass[z] = 0;
    int head = (int)blockIdx.x % heads;
    int tile = (int)gridDim.x / heads - 1 - (int)blockIdx.x / heads;
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
        __syncthreads();
        long64 keyAt = (long64)u0 * (long64)keyWidth + (long64)(head / group * 64);
        AttentionNode_Fill(ks, k + keyAt, 32, stop - u0, keyWidth, 64, 68, 1.0f);
        AttentionNode_Fill(vs, v + keyAt, 32, stop - u0, keyWidth, 64, 68, 1.0f);
        __syncthreads();
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
                most = fmaxf(most, score);
            }
            exchange[(r + i2 * 16) * 8 + c] = most;
        }
        __syncthreads();
        #pragma unroll
        for (int i3 = 0; i3 < 4; i3++)
        {
            float most2 = top[i3];
            #pragma unroll
            for (int n = 0; n < 8; n++)
                most2 = fmaxf(most2, exchange[(r + i3 * 16) * 8 + n]);
            float shrink = expf(top[i3] - most2);
            top[i3] = most2;
            float added = 0.0f;
            #pragma unroll
            for (int j2 = 0; j2 < 4; j2++)
            {
                float score2 = scores[i3 * 4 + j2];
                float weight = !(score2 > -1E+30f) ? 0.0f : expf(score2 - most2);
                ps[(r + i3 * 16) * 36 + c + j2 * 8] = weight;
                added += weight;
            }
            mass[i3] = mass[i3] * shrink + added;
            #pragma unroll
            for (int m = 0; m < 2; m++)
                sums[i3 * 2 + m] = (sums[i3 * 2 + m] * shrink);
        }
        __syncthreads();
        AttentionNode_Accumulate(sums, ps, vs, r, c, 32);
    }
    __syncthreads();
    #pragma unroll
    for (int i4 = 0; i4 < 4; i4++)
        exchange[(r + i4 * 16) * 8 + c] = mass[i4];
    __syncthreads();
    ushort* place = o + ((long64)t0 * (long64)width + (long64)(head * 64));
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
                lse[(long64)head * (long64)rows + (long64)t0 + (long64)t7] = top[i5] + logf(whole);
            #pragma unroll
            for (int m2 = 0; m2 < 2; m2++)
            {
                int x = 4 * (c + m2 * 8);
                AttentionNode_Put(place, t7 * width + x, (sums[i5 * 2 + m2] * (1.0f / whole)), 64 - x, 64, 0);
            }
        }
    }
}

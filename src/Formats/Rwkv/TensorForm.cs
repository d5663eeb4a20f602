namespace Marrow.Formats.Rwkv;

/// <summary>How a tensor of RWKV-LM stands in another naming's file.</summary>
internal enum TensorForm
{
    /// <summary>The same shape.</summary>
    Same,

    /// <summary>[1,1,C] as [C].</summary>
    Vector,

    /// <summary>[a,b] as [b,a].</summary>
    Transposed,

    /// <summary>[1,1,C] as one row of [n,C].</summary>
    Row,

    /// <summary>RWKV-6's time_maa_w1 [C,5D], blocks w,k,v,r,g, as [5D,C], blocks r,w,k,v,g.</summary>
    MixDown,

    /// <summary>RWKV-6's time_maa_w2 [5,D,C], blocks w,k,v,r,g, as [C,5D], blocks r,w,k,v,g.</summary>
    MixUp,
}

namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>Which neighbouring symbols merge into what, and how early; equal ranks merge from left to right.</summary>
internal interface IPairTable
{
    /// <summary>False where the pair does not merge. The smallest rank merges first.</summary>
    bool TryGet(int left, int right, out int rank, out int merged);
}

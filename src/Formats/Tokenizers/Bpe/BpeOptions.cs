namespace Marrow.Formats.Tokenizers.Bpe;

/// <summary>What a BPE vocabulary does besides merging.</summary>
/// <param name="UnknownId">The id of what no token covers.</param>
/// <param name="FuseUnknown">Neighbouring unknown characters become one token.</param>
/// <param name="ByteFallback">A character without token becomes its bytes' tokens <c>&lt;0xHH&gt;</c>.</param>
/// <param name="IgnoreMerges">A piece that is a token as a whole is taken without merging.</param>
/// <param name="Prefix">Stands before every character of a piece but the first.</param>
/// <param name="Suffix">Stands after the last character of a piece.</param>
internal sealed record BpeOptions(int? UnknownId = null, bool FuseUnknown = false, bool ByteFallback = false, bool IgnoreMerges = false, string Prefix = "", string Suffix = "");

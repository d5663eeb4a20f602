using Marrow.Formats.Tests.PyTorch;
using static Marrow.Formats.Tests.Malformed.PthContainerCases;
using static Marrow.Formats.Tests.PyTorch.PthMalformedTests;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Case 71: torch checkpoints as they were before 1.6.</summary>
internal static class LegacyPthCases
{
    public static MalformedCase[] All { get; } =
    [
        Row(71, "another magic number", "PT025", () => Legacy(magic: RawPickle.Start().Int(42).Stop())),
        Row(71, "magic number is a text", "PT025", () => Legacy(magic: RawPickle.Start().Text("x").Stop())),
        Row(71, "version 1000", "PT025", () => Legacy(version: 1000)),
        Row(71, "machine is a list", "PT025", () => Legacy(machine: RawPickle.Start().Op(']').Stop())),
        Row(71, "other protocol", "PT025", () => Legacy(machine: Machine(1002, 0x88))),
        Row(70, "big-endian", "PT023", () => Legacy(machine: Machine(1001, 0x89))),
        Row(61, "evil first pickle", "PT010", () => RawPickle.Start().Global("os", "system").Op(')').Op('R').Stop()),
        Row(61, "evil value", "PT010", () => Legacy(value: RawPickle.Dict(p => p.Global("os", "system").Op(')').Op('R')))),
        Row(71, "keys are no list", "PT026", () => Legacy(keys: RawPickle.Start().Op(')').Stop())),
        Row(71, "a key too many", "PT026", () => Legacy(keys: Keys("0", "1"))),
        Row(71, "a key twice", "PT026", () => Legacy(keys: Keys("0", "0"), data: Data(6, 6))),
        Row(71, "no keys", "PT026", () => Legacy(keys: Keys())),
        Row(71, "a key is a number", "PT026", () => Legacy(keys: RawPickle.Start().Op(']').Int(0).Op('a').Stop())),
        Row(71, "count differs", "PT027", () => Legacy(data: Data(5))),
        Row(71, "count 2^63", "PT027", () => Legacy(data: [0, 0, 0, 0, 0, 0, 0, 0x80, .. new byte[24]])),
        Row(71, "data cut by one byte", "PT028", () => Legacy()[..^1]),
        Row(71, "count cut", "PT028", () => Legacy()[..^29]),
        Row(71, "2^40 elements", "PT028", () => Legacy(value: RawPickle.Dict(p => p.Tensor(count: 1L << 40)), data: [0, 0, 0, 0, 0, 1, 0, 0])),
    ];

    private static byte[] Data(params long[] counts) => [.. counts.SelectMany(c => (byte[])[.. BitConverter.GetBytes(c), .. new byte[24]])];
}

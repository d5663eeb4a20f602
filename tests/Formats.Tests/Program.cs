using Marrow.Formats.Conversion;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.Tests;

/// <summary>What tests run as a process of its own: "convert IN OUT" stores a model as BF16; with "halt" it stops for good after the first piece.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        if (args is not ["convert", var from, var to, .. var rest])
            return 2;
        try
        {
            using ModelFolder model = ModelFolder.Open(from);
            ModelConversion.Write(to, ModelConversion.KindOf(to), SourceModel.Of(model), new ConversionOptions
            {
                StoreAs = DType.BF16,
                Progress = rest is ["halt"] ? Halt : null,
            });
            return 0;
        }
        catch (MarrowException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }

    private static void Halt(ConversionProgress progress)
    {
        Console.WriteLine("halted");
        Thread.Sleep(Timeout.Infinite);
    }
}

using System.Globalization;
using Marrow.Perf;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string[] options = args.Length > 0 ? args[1..] : [];
switch (args.Length > 0 ? args[0] : "")
{
    case "gemm":
        return GemmPerf.Run(options);
    case "rows":
        return RowsPerf.Run(options);
    case "step":
        return StepPerf.Run(options);
    case "length":
        return LengthPerf.Run(options);
    case "gpu":
        return GpuPerf.Run(options);
    case "gpu-gemm":
        return GpuGemmPerf.Run(options);
    case "blocks":
        return BlocksPerf.Run(options);
    case "convert":
        return ConvertPerf.Run(options);
    case "machine":
        return MachinePerf.Run(options);
    default:
        Console.Error.WriteLine("""
            usage: dotnet run -c Release --project perf -- COMMAND
              gemm [--json] [--only TEXT]
              blocks [--only TEXT]
              rows [--only TYPE] [--place cache|memory]
              convert [--gigabytes N] [--folder PATH] [--no-quantize] [--peer PYTHON]
              machine [--json]
              step [--model llama|rwkv7|rwkv6] [--quick] [--only METHOD] [--peer PYTHON | --weights q8_0|q4_k|nf4|bf16]
              length [--model rwkv7|rwkv6]
              gpu [--device NAME] [--shape NAME] [--method NAME] [--r N] [--rows N] [--steps N] [--peak TFLOPS] [--only PART] [--json]
              gpu-gemm [--device NAME] [--tuning FILE] [--json]
            """);
        return 2;
}

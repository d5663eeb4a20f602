using System.Runtime.InteropServices;
using System.Text;
using Marrow.Formats;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>NVRTC, NVIDIA's compiler of CUDA C++ at run time: text to machine code or PTX.</summary>
internal sealed unsafe class Nvrtc
{
    private readonly delegate* unmanaged<int, byte*> _errorString;
    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _createProgram;
    private readonly delegate* unmanaged<nint*, int> _destroyProgram;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compileProgram;
    private readonly delegate* unmanaged<nint, nuint*, int> _logSize, _cubinSize, _ptxSize;
    private readonly delegate* unmanaged<nint, byte*, int> _log, _cubin, _ptx;
    private readonly int[] _architectures;

    private Nvrtc(NativeExports of, string path)
    {
        Path = path;
        var version = (delegate* unmanaged<int*, int*, int>)of["nvrtcVersion"];
        var architectureCount = (delegate* unmanaged<int*, int>)of["nvrtcGetNumSupportedArchs"];
        var architectures = (delegate* unmanaged<int*, int>)of["nvrtcGetSupportedArchs"];
        _errorString = (delegate* unmanaged<int, byte*>)of["nvrtcGetErrorString"];
        _createProgram = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)of["nvrtcCreateProgram"];
        _destroyProgram = (delegate* unmanaged<nint*, int>)of["nvrtcDestroyProgram"];
        _compileProgram = (delegate* unmanaged<nint, int, byte**, int>)of["nvrtcCompileProgram"];
        _logSize = (delegate* unmanaged<nint, nuint*, int>)of["nvrtcGetProgramLogSize"];
        _log = (delegate* unmanaged<nint, byte*, int>)of["nvrtcGetProgramLog"];
        _cubinSize = (delegate* unmanaged<nint, nuint*, int>)of["nvrtcGetCUBINSize"];
        _cubin = (delegate* unmanaged<nint, byte*, int>)of["nvrtcGetCUBIN"];
        _ptxSize = (delegate* unmanaged<nint, nuint*, int>)of["nvrtcGetPTXSize"];
        _ptx = (delegate* unmanaged<nint, byte*, int>)of["nvrtcGetPTX"];
        _architectures = [];
        if (of.Missing is not null)
            return;
        int major, minor, count;
        if (version(&major, &minor) == 0)
            Version = 1000 * major + 10 * minor;
        if (architectureCount(&count) != 0 || count is <= 0 or > 1000)
            return;
        _architectures = new int[count];
        fixed (int* p = _architectures)
        {
            if (architectures(p) != 0)
                _architectures = [];
        }
    }

    /// <summary>Its version as 1000·major + 10·minor.</summary>
    public int Version { get; }

    /// <summary>The file it was loaded from, or the name that the system found it by.</summary>
    public string Path { get; }

    /// <summary>The first NVRTC that is there and that the driver can follow; null with the reason and remedy.</summary>
    public static Nvrtc? Find(CudaDriver driver, IReadOnlyList<string> folders, out string whyNot)
    {
        string unfit = "";
        foreach (string candidate in CudaLibraries.Nvrtc(driver.Version, folders))
        {
            nint library = CudaLibraries.Load(candidate);
            if (library == 0)
                continue;
            var exports = new NativeExports(library);
            var nvrtc = new Nvrtc(exports, candidate);
            if (exports.Missing is null && nvrtc._architectures.Length > 0 && nvrtc.Version / 1000 <= driver.Version / 1000)
            {
                whyNot = "";
                return nvrtc;
            }
            unfit = exports.Missing is { } missing ? $"; {candidate} is older than CUDA 11.2: it has no {missing}"
                : $"; {candidate} is of CUDA {CudaLibraries.Text(nvrtc.Version)}, the driver knows CUDA {CudaLibraries.Text(driver.Version)} only: update the driver, or take an older NVRTC";
        }
        int wanted = driver.Version / 1000;
        whyNot = $"NVRTC, NVIDIA's run-time compiler, was not found{unfit}. Install the CUDA toolkit {wanted}.x or only its part (NVIDIA's apt and dnf packages: cuda-nvrtc-{wanted}-x; "
            + $"pip: nvidia-cuda-nvrtc{(wanted >= 13 ? "" : $"-cu{wanted}")}). Without it `--device opencl` runs on the same card with what the driver brings along";
        return null;
    }

    /// <summary>True when it makes machine code for a compute capability such as 90.</summary>
    public bool Knows(int architecture) => _architectures.Contains(architecture);

    /// <summary>The highest architecture that it knows and that is not above <paramref name="architecture"/>; 0 where there is none. PTX for it runs on the device too.</summary>
    public int NearestBelow(int architecture) => _architectures.Where(a => a <= architecture).DefaultIfEmpty().Max();

    /// <summary>Compiles a text to machine code, or to PTX with a closing zero. Null on failure; <paramref name="error"/> and <paramref name="log"/> say why.</summary>
    public byte[]? Compile(string source, string name, IReadOnlyList<string> options, bool toPtx, out string error, out string log)
    {
        nint program = 0;
        (error, log) = ("", "");
        byte[] text = Encoding.UTF8.GetBytes(source + '\0'), file = Encoding.UTF8.GetBytes(name + ".cu\0");
        nint[] option = [.. options.Select(Marshal.StringToCoTaskMemUTF8)];
        try
        {
            fixed (byte* s = text, n = file)
            {
                int status = _createProgram(&program, s, n, 0, null, null);
                if (status != 0)
                {
                    error = NameOf(status);
                    return null;
                }
            }
            int compiled;
            fixed (nint* o = option)
                compiled = _compileProgram(program, option.Length, (byte**)o);
            log = Encoding.UTF8.GetString(Bytes(program, _logSize, _log) ?? []).TrimEnd('\0');
            byte[]? code = compiled != 0 ? null : toPtx ? Bytes(program, _ptxSize, _ptx) : Bytes(program, _cubinSize, _cubin);
            error = compiled != 0 ? NameOf(compiled) : code is null ? "no code" : "";
            return code;
        }
        finally
        {
            if (program != 0)
                _destroyProgram(&program);
            foreach (nint o in option)
                Marshal.FreeCoTaskMem(o);
        }
    }

    private string NameOf(int status) => Echo.Name(Marshal.PtrToStringUTF8((nint)_errorString(status)) ?? "", 80);

    private static byte[]? Bytes(nint program, delegate* unmanaged<nint, nuint*, int> sizeOf, delegate* unmanaged<nint, byte*, int> get)
    {
        nuint size = 0;
        if (sizeOf(program, &size) != 0 || size == 0 || size > int.MaxValue)
            return null;
        byte[] bytes = new byte[size];
        fixed (byte* p = bytes)
            return get(program, p) == 0 ? bytes : null;
    }
}

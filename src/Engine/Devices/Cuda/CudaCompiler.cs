using System.Globalization;
using Marrow.Engine.Jit;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>Kernel texts to loaded modules, through NVRTC or the cache of earlier results.</summary>
internal sealed unsafe class CudaCompiler
{
    private readonly CudaContext _context;
    private readonly Nvrtc _nvrtc;
    private readonly string _name;
    private readonly string[] _options;
    private readonly string _identity;
    private readonly bool _toPtx;
    private readonly KernelCache? _cache;
    private readonly Action<string>? _notice;
    private bool _toldRefusal;

    public CudaCompiler(CudaContext context, CudaFound found, Nvrtc nvrtc, string name, DeviceOptions options)
    {
        (_context, _nvrtc, _name, _notice) = (context, nvrtc, name, options.Notice);
        _cache = KernelCache.For(options);
        _toPtx = !nvrtc.Knows(found.Architecture);
        int architecture = _toPtx ? nvrtc.NearestBelow(found.Architecture) : found.Architecture;
        string target = string.Create(CultureInfo.InvariantCulture, $"--gpu-architecture={(_toPtx ? "compute" : "sm")}_{architecture}");
        _options = [target, "--std=c++17", "--fmad=true", .. options.BuildOptions.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        _identity = $"{found.Description}; NVRTC {CudaLibraries.Text(nvrtc.Version)}";
        if (_toPtx)
        {
            _notice?.Invoke($"{name}: NVRTC {CudaLibraries.Text(nvrtc.Version)} ({nvrtc.Path}) is older than this card; kernels are compiled for compute capability "
                + $"{(architecture / 10).ToString(CultureInfo.InvariantCulture)}.{(architecture % 10).ToString(CultureInfo.InvariantCulture)} and finished by the driver. A newer NVRTC may make them faster");
        }
    }

    /// <summary>A module with a kernel; <paramref name="loaded"/> tells whether it came from the cache.</summary>
    /// <exception cref="Marrow.Formats.MarrowException">DV011 NVRTC refuses the text; DV013 it cannot run on the device.</exception>
    public nint Module(KernelText text, out bool loaded)
    {
        string options = string.Join(' ', _options);
        loaded = true;
        if (_cache?.Find(text.Source, options, _identity) is { } known)
        {
            if (Load(known, out nint cached) == CudaDriver.Success)
                return cached;
            _cache.Remove(text.Source, options, _identity);
            if (!_toldRefusal)
                _notice?.Invoke($"{_name}: the driver refuses kernels that were compiled earlier; they are compiled again");
            _toldRefusal = true;
        }
        loaded = false;
        byte[] code = _nvrtc.Compile(text.Source, text.Entry, _options, _toPtx, out string error, out string log) ?? throw Refusal(text, options, error, log);
        int status = Load(code, out nint module);
        if (status is CudaDriver.InvalidImage or CudaDriver.NoBinary or CudaDriver.UnsupportedPtx)
        {
            throw DeviceFaults.Refused(_name, $"kernel {text.Entry} as NVRTC {CudaLibraries.Text(_nvrtc.Version)} ({_nvrtc.Path}) compiled it; the driver knows CUDA "
                + $"{CudaLibraries.Text(_context.Driver.Version)}: update it, or take an NVRTC that is not newer", _context.Driver.NameOf(status));
        }
        _context.Check(status, "loading kernel ", text.Entry);
        _cache?.Store(text.Source, options, _identity, code);
        return module;
    }

    private int Load(byte[] code, out nint module)
    {
        nint made = 0;
        int status;
        fixed (byte* p = code)
            status = _context.Driver.ModuleLoadData(&made, p);
        module = made;
        return status;
    }

    private Formats.MarrowException Refusal(KernelText text, string options, string error, string log) =>
        log.Contains("too much shared data", StringComparison.Ordinal)
            ? DeviceFaults.Refused(_name, $"kernel {text.Entry}: it declares more shared memory than the 48 KiB that a group can have so", error)
            : DeviceFaults.NotBuilt(_name, text.Entry, options, error, log);
}

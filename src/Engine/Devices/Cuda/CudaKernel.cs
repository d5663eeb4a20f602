using System.Text;
using Marrow.Engine.Jit;

namespace Marrow.Engine.Devices.Cuda;

/// <summary>A loaded module with its one kernel, and the order of its arguments.</summary>
internal sealed unsafe class CudaKernel
{
    private readonly CudaContext _context;
    private readonly nint _module;
    private readonly nint _function;
    private readonly string _entry;
    private readonly uint _lanes;
    private readonly KernelParameter[] _parameters;

    /// <summary>Takes the kernel that <paramref name="text"/> describes from <paramref name="module"/>, which belongs to it from then on.</summary>
    /// <exception cref="Marrow.Formats.MarrowException">DV013 the module does not hold it.</exception>
    public CudaKernel(CudaContext context, nint module, KernelText text)
    {
        (_context, _module, _entry, _lanes, _parameters) = (context, module, text.Entry, (uint)text.Lanes, [.. text.Parameters]);
        nint function;
        fixed (byte* name = Encoding.UTF8.GetBytes(text.Entry + '\0'))
        {
            int status = context.Driver.ModuleGetFunction(&function, module, name);
            if (status != CudaDriver.Success)
                context.Driver.ModuleUnload(module);
            context.Check(status, "looking for kernel ", text.Entry);
        }
        _function = function;
    }

    /// <summary>Queues the kernel.</summary>
    /// <exception cref="Marrow.Formats.MarrowException">E901, DV010 or DV013, as the driver says.</exception>
    public void Enqueue(Device device, Grid grid, ReadOnlySpan<Arg> args)
    {
        ulong* values = stackalloc ulong[_parameters.Length];
        void** places = stackalloc void*[_parameters.Length];
        for (int i = 0; i < _parameters.Length; i++)
        {
            ref readonly KernelParameter parameter = ref _parameters[i];
            ref readonly Arg arg = ref args[parameter.Position];
            if (!parameter.IsView)
                values[i] = arg.Bits;
            else if (arg.Tensor is not { } tensor)
                values[i] = 0;
            else if (tensor.Device == device)
                values[i] = (ulong)(tensor.Buffer.Handle + arg.ByteOffset(parameter.Bytes));
            else
                throw new InvalidOperationException($"{_entry}: argument {parameter.Position} lies on {tensor.Device.Name}, the kernel runs on {device.Name}.");
            places[i] = values + i;
        }
        _context.Check(_context.Driver.LaunchKernel(_function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, _lanes, 1, 1, 0, _context.Stream, places, null), "queueing kernel ", _entry);
    }

    public void Release() => _context.Driver.ModuleUnload(_module);
}

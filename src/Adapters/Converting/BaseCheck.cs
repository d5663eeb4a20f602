using Marrow.Formats;

namespace Marrow.Adapters.Converting;

/// <summary>Checks an adapter against the base model: every module must be there, and every shape must fit.</summary>
internal sealed class BaseCheck(string path, BaseWeights model)
{
    public void Check(AdapterContents contents)
    {
        foreach (AdaptedModule layer in contents.Layers)
        {
            (int rows, int columns) = model.SizeOf(layer.Module) ?? throw Unknown(layer.Module, model.Modules);
            switch (layer)
            {
                case LowRankLayer { IsEmbedding: true } low:
                    Require(low, low.A.Columns == rows && low.B.Rows == columns, $"A {low.A.ShapeText} and B {low.B.ShapeText}", $"A [r,{rows}] and B [{columns},r]", rows, columns);
                    break;
                case LowRankLayer low:
                    Require(low, low.A.Columns == columns && low.B.Rows == rows, $"A {low.A.ShapeText} and B {low.B.ShapeText}", $"A [r,{columns}] and B [{rows},r]", rows, columns);
                    Require(low, low.Magnitude is null || low.Magnitude.Rows * low.Magnitude.Columns == rows, $"magnitudes {low.Magnitude?.ShapeText}", $"[{rows}]", rows, columns);
                    Require(low, low.OutputBias is null || low.OutputBias.Rows * low.OutputBias.Columns == rows, $"a bias {low.OutputBias?.ShapeText}", $"[{rows}]", rows, columns);
                    break;
                case BlockLayer block:
                    bool fits = block.Form switch
                    {
                        BlockForm.Balance => block.Tensor.Shape[1] == rows,
                        BlockForm.Mini => rows % block.Tensor.Shape[1] == 0,
                        BlockForm.BatByOutputs => columns % block.Rank == 0 && block.Tensor.Shape[0] * block.Rank == rows,
                        _ => rows % block.Rank == 0 && block.Tensor.Shape[0] * block.Rank == columns,
                    };
                    Require(block, fits, $"blocks {block.Tensor.ShapeText}", block.Form switch
                    {
                        BlockForm.Balance => $"[r,{rows}]",
                        BlockForm.Mini => $"[r,mini_r] with a mini_r that divides {rows}",
                        BlockForm.BatByOutputs => $"[{rows}/r,r,r]",
                        _ => $"[{columns}/r,r,r]",
                    }, rows, columns);
                    break;
                default:
                    throw new ArgumentException(layer.GetType().Name, nameof(contents));
            }
        }
        foreach (CarriedTensor tensor in contents.Carried)
        {
            if (tensor.Kind != CarriedKind.State && !model.Has(tensor.Name) && !(model.IsTied && tensor.Name == "lm_head.weight"))
                throw Unknown(tensor.Name, model.Modules);
        }
    }

    private void Require(AdaptedModule layer, bool fits, string has, string needed, int rows, int columns)
    {
        if (!fits)
            throw new ModelFileException("AC008", path, $"module '{Echo.Name(layer.Module)}' has {has}, but the base's weight [{rows},{columns}] needs {needed}; give the model that the adapter was trained on");
    }

    private ModelFileException Unknown(string name, IEnumerable<string> names) => new("AC007", path,
        $"'{Echo.Name(name)}' is no part of the base model {Echo.Name(model.Path)} ({model.Config.ModelType}){NearNames.Hint(name, names)}; give the model that the adapter was trained on");
}
